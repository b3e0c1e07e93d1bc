from app import look

handler = look
